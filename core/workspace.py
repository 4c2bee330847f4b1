"""The `.topicidx` workspace: where a collection's topic space and store live."""

import contextlib
from dataclasses import dataclass
from pathlib import Path

from topicidx.errors import SettingsError, WorkspaceNotFoundError

FOLDER_NAME = ".topicidx"


@dataclass(frozen=True, slots=True)
class Workspace:
    """A `.topicidx` folder: the topic space in `space/`, the embedded store in `store/`."""

    home: Path

    @property
    def space(self) -> Path:
        """The folder of the topic space, whether it is there or not."""
        return self.home / "space"

    @property
    def store(self) -> Path:
        """The folder of the embedded store, whether it is there or not."""
        return self.home / "store"

    @property
    def trainings(self) -> Path:
        """Where trainings are kept until they are finished."""
        return self.home / "training"

    def unfinished_trainings(self) -> list[Path]:
        """The folders of trainings that were stopped, or are running."""
        return sorted(self.trainings.iterdir()) if self.trainings.is_dir() else []

    def discard_if_empty(self) -> None:
        """Remove the folder again where nothing came of it, so that it does not capture the folders below."""
        with contextlib.suppress(OSError):
            self.home.rmdir()

    @classmethod
    def find(cls, home: Path | None = None, *, start: Path | None = None) -> "Workspace":
        """The workspace at `home` or in it, or else the nearest one at or above `start`, the working directory by default.

        Raises WorkspaceNotFoundError where there is none.
        """
        if home is not None:
            home = _inner(home)
            if not home.is_dir():
                raise WorkspaceNotFoundError(
                    f"there is no workspace at {home}; `topicidx train SOURCE --home {home}` makes one"
                )
            return cls(home)
        found = _nearest(start or Path.cwd())
        if found is None:
            raise WorkspaceNotFoundError(
                f"there is no {FOLDER_NAME} folder here or in any folder above; "
                "`topicidx train SOURCE` makes one, --home or TOPICIDX_HOME names one elsewhere"
            )
        return cls(found)

    @classmethod
    def find_or_create(cls, home: Path | None = None, *, start: Path | None = None) -> "Workspace":
        """As `find`, but makes a workspace at `home`, or in `start`, where there is none."""
        start = start or Path.cwd()
        folder = (home and _inner(home)) or _nearest(start) or start / FOLDER_NAME
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(
                f"cannot make the workspace {folder}: {error.strerror}; choose another place with --home"
            ) from error
        return cls(folder)


def _inner(home: Path) -> Path:
    return home / FOLDER_NAME if (home / FOLDER_NAME).is_dir() else home


def _nearest(start: Path) -> Path | None:
    start = start.absolute()
    return next((home for folder in (start, *start.parents) if (home := folder / FOLDER_NAME).is_dir()), None)
