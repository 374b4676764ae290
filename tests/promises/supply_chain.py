"""What is promised about model files, packages and containers."""

from tests.promises.row import Section, rows

SUPPLY_CHAIN = Section(
    "Model, packages and containers",
    "",
    [
        *rows(
            "tests/model/test_artefact.py",
            (
                "Changed model files",
                "refused: SHA-256 is compared before a file is opened",
                "test_a_changed_file_is_never_opened",
            ),
        ),
        *rows(
            "tests/test_security_document.py",
            (
                "Code hidden in weights or arrays",
                "nothing is unpickled, and no network is built from a file",
                "test_nothing_is_deserialised_into_code",
            ),
            (
                "Packages that change",
                "`uv.lock` and `package-lock.json` lock packages by checksum; `requirements.txt` for pip "
                "names versions",
                "test_packages_are_locked",
            ),
            (
                "Tools that change",
                "uv and Node.js are fetched in one version, without a checksum",
                "test_tools_that_are_fetched_are_of_one_version",
            ),
        ),
        *rows(
            "tests/test_deployment.py",
            (
                "Root in the container",
                "it runs as a user of its own",
                "test_images_run_without_root",
            ),
            (
                "Scans or secrets in an image",
                "only files that are named one by one reach the build",
                "test_only_what_is_needed_reaches_the_build",
            ),
            (
                "Writing into containers",
                "web, workers and proxy have a read-only root file system and no capabilities, but for "
                "those that the proxy needs for its ports",
                "test_containers_are_confined",
            ),
            (
                "Workers, broker or database reached from outside",
                "only the proxy has open ports; the rest is in a network of its own",
                "test_only_the_proxy_is_reached_from_outside",
            ),
        ),
    ],
)
