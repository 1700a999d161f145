"""The directory in which a game's engine keeps its state. It is made here, and never deleted."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from rtmanager.errors import OperationFailed

MODE: Final = 0o750


class StateRoot:
    """The folder of all state directories."""

    def __init__(self, root: str) -> None:
        self._root = Path(root)

    def path(self, game_id: str) -> str:
        """Give where a game's state is."""
        return str(self._root / game_id)

    def prepare(self, game_id: str, owner: tuple[int, int]) -> str:
        """Make the directory if it is not there, 0750, and give the user that the container runs as.

        As root the directory is given to ``owner``, the image's own user; otherwise the container runs as this process's
        user. Blocks. Raises OperationFailed ``container_start_failed``.
        """
        path = self.path(game_id)
        user, group = owner if os.geteuid() == 0 else (os.geteuid(), os.getegid())
        try:
            self._root.mkdir(mode=0o755, parents=True, exist_ok=True)
            with suppress(FileExistsError):
                os.mkdir(path, MODE)
            # Not by its path: nobody may put a link in its place between these steps.
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                state = os.fstat(fd)
                if (state.st_uid, state.st_gid) != (user, group):
                    os.fchown(fd, user, group)
                os.fchmod(fd, MODE)  # what the umask took away
            finally:
                os.close(fd)
        except OSError as problem:
            raise OperationFailed(
                "container_start_failed",
                f"the state directory {path} cannot be made: {problem.strerror} (see RTMANAGER_STATE_ROOT)",
            ) from None
        return f"{user}:{group}"
