"""Where labelled cases are found."""

from training.data.labelled import find_labelled_cases


def test_links_to_cases_are_followed_once(tmp_path):
    """A case has its folder's name where that is found, too; a loop ends."""
    real, elsewhere = tmp_path / "data" / "real", tmp_path / "elsewhere"
    for folder in (real, elsewhere):
        folder.mkdir(parents=True)
        (folder / f"{folder.name}_seg.nii.gz").touch()
    for name, target in (("alias", real), ("chosen", elsewhere), ("loop", real.parent)):
        (real.parent / name).symlink_to(target)
    found = find_labelled_cases([real.parent, real])
    assert [folder.name for folder in found] == ["chosen", "real"]
