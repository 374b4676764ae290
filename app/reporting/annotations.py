"""What readers draw on the pictures of a case, as REST takes and gives it and as it is kept."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Kind = Literal["ruler", "angle", "ellipse", "arrow", "rano"]
Coordinate = Annotated[float, Field(ge=-10_000, le=10_000, allow_inf_nan=False)]
Point = Annotated[list[Coordinate], Field(min_length=3, max_length=3)]
# A RANO measure has two lines; an ellipse the opposite corners of the box around it.
POINTS_OF = {"ruler": 2, "angle": 3, "ellipse": 2, "arrow": 2, "rano": 4}


class Annotation(BaseModel):
    """Something drawn in one slice; points are voxels in canonical (RAS+) order, centres whole numbers."""

    model_config = ConfigDict(extra="forbid")

    id: Annotated[str, Field(pattern=r"^[0-9a-zA-Z-]{1,40}$")]
    kind: Kind
    plane: Literal["axial", "coronal", "sagittal"]
    slice: Annotated[int, Field(ge=0, le=10_000)]
    points: Annotated[list[Point], Field(min_length=2, max_length=4)]
    text: Annotated[str, Field(max_length=200)] = ""

    @model_validator(mode="after")
    def has_its_points(self) -> "Annotation":
        if len(self.points) != POINTS_OF[self.kind]:
            raise ValueError(f"a {self.kind} has {POINTS_OF[self.kind]} points")
        return self


class Annotations(BaseModel):
    """What readers drew on the pictures of a case."""

    model_config = ConfigDict(extra="forbid")

    items: Annotated[list[Annotation], Field(max_length=500)] = []
