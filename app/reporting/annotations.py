"""What readers draw on the pictures of a case, as REST takes and gives it and as it is kept."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.analysis.drawn import POINTS_OF, Kind, Plane

Coordinate = Annotated[float, Field(ge=-10_000, le=10_000, allow_inf_nan=False)]
Point = Annotated[list[Coordinate], Field(min_length=3, max_length=3)]


class Annotation(BaseModel):
    """Something drawn in one slice; points are voxels in canonical (RAS+) order, centres whole numbers.

    modality : the sequence that it was drawn on; null where that is not known
    """

    model_config = ConfigDict(extra="forbid")

    id: Annotated[str, Field(pattern=r"^[0-9a-zA-Z-]{1,40}$")]
    kind: Kind
    plane: Plane
    slice: Annotated[int, Field(ge=0, le=10_000)]
    points: Annotated[list[Point], Field(min_length=2, max_length=4)]
    text: Annotated[str, Field(max_length=200)] = ""
    modality: Literal["flair", "t1", "t1ce", "t2"] | None = None

    @model_validator(mode="after")
    def has_its_points(self) -> "Annotation":
        if len(self.points) != POINTS_OF[self.kind]:
            raise ValueError(f"a {self.kind} has {POINTS_OF[self.kind]} points")
        return self


class Annotations(BaseModel):
    """What readers drew on the pictures of a case."""

    model_config = ConfigDict(extra="forbid")

    items: Annotated[list[Annotation], Field(max_length=500)] = []
