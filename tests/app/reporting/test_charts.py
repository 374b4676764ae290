from app.analysis.values import AreasMm2
from app.reporting.charts import area_charts

AREAS = AreasMm2(axial=(0.0, 50.0, 200.0, 0.0), coronal=(100.0, 0.0), sagittal=(0.0, 0.0, 25.0))


def test_planes_share_one_scale():
    axial, coronal, sagittal = area_charts(AREAS)
    assert [bar["share"] for bar in axial["bars"]] == [0.25, 1.0]
    assert [bar["share"] for bar in coronal["bars"]] == [0.5]
    assert [bar["share"] for bar in sagittal["bars"]] == [0.125]
    assert [chart["count"] for chart in (axial, coronal, sagittal)] == [4, 2, 3]


def test_bars_stand_at_the_index_of_their_slice():
    axial, coronal, _ = area_charts(AREAS)
    assert [(bar["index"], bar["cm2"]) for bar in axial["bars"]] == [(1, 0.5), (2, 2.0)]
    assert (axial["peak"], axial["peak_cm2"]) == (2, 2.0)
    assert axial["path"] == "M1 1V0.75H2V1M2 1V0H3V1"
    assert coronal["ends"] == ("P", "A")


def test_nothing_to_draw():
    assert area_charts(None) == []
    assert area_charts(AreasMm2((0.0,) * 4, (0.0,) * 2, (0.0,) * 3)) == []
