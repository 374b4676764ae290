"""The list of lesions calls them as the report does, and keeps their names while the mask is corrected."""

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.app.corrections import file_of, image_of
from tests.browser.conftest import finish
from tests.browser.stage import open_case

pytestmark = pytest.mark.browser

# A row of voxels along x; `marked` are those of the mask, `saved` the numbers of lesions by a voxel of each.
NAMES = """async ({ saved, before, now }) => {
  const { LesionNames, lesionsOf } = await import(new URL("static/js/viewer/lesions.js", document.baseURI));
  const grid = { shape: [40, 1, 1], strides: [1, 40, 40], offset: 0, spacing: [4, 4, 4] };
  const lesions = (marked) => lesionsOf(grid, Uint8Array.from({ length: 40 }, (_, i) => marked.some(([a, b]) => i >= a && i < b)), [[4, 0, 0, 0]], null);
  const names = new LesionNames(grid, lesions(before), saved.map(([number, x]) => ({ number, point: [x, 0, 0] })));
  return names.named(lesions(now)).map(({ number, point }) => [number, point[0]]);
}"""


def test_names_stay_while_a_mask_is_corrected(page: Page, server):
    page.goto(server)

    def named(now, saved=((1, 5), (4, 22)), before=((2, 10), (20, 24))):
        return page.evaluate(
            NAMES, {"saved": list(saved), "before": list(before), "now": list(now)}
        )

    assert [number for number, _ in named([(2, 10), (20, 24)])] == [1, 4]
    # By what they share, whatever the sizes; what is new has no number yet, and comes last.
    assert [number for number, _ in named([(3, 4), (19, 35)])] == [1, 4]
    assert [number for number, _ in named([(30, 38), (20, 24)])] == [4, None]
    # Divided: the larger part. Joined: the one that shares most.
    assert named([(2, 4), (5, 10)])[0][1] in range(5, 10)
    assert [number for number, _ in named([(2, 24)])] == [1]
    # Cases of old versions have no names.
    assert [number for number, _ in named([(2, 10), (20, 24)], saved=[])] == [1, 2]


def test_the_list_has_the_names_of_the_report(page: Page, server, context, scans):
    case = finish(context.request, {key: path.read_bytes() for key, path in scans.items()})
    url = f"{server}/api/cases/{case}"

    def correct(x: int, value: int, base: int) -> None:
        image = image_of(page.request.get(f"{url}/masks/{base}.nii.gz").body())
        values = np.asarray(image.dataobj).astype(np.uint8)
        values[x : x + 8, 2:10, 2:10] = value
        file, name = file_of(values, image.affine)
        part = {"name": name, "mimeType": "application/gzip", "buffer": file.getvalue()}
        answer = page.request.post(f"{url}/masks", multipart={"mask": part, "base": str(base)})
        assert answer.status == 201

    correct(2, 4, 0)
    open_case(page, f"{server}/cases/{case}")
    rows = page.locator("[data-part=lesions] tr th")
    expect(rows).to_have_text(["Lesion 1", "Lesion 2"])
    correct(2, 0, 1)
    correct(60, 4, 2)
    open_case(page, f"{server}/cases/{case}")
    expect(rows).to_have_text(["Lesion 1", "Lesion 3"])
