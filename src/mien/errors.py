"""The exceptions mien raises on purpose.

    MienError                 catch this one: everything below is a clear, one-line message
    ├── InputError            a file or folder given by the user cannot be used as it is
    │   └── MediaError        a picture, video or sound cannot be read
    ├── OutputError           a result cannot be written (permission, space, it exists already)
    ├── BundleError           a bundle folder is incomplete, altered or does not fit
    ├── DatabaseError         a database's files break their own format
    └── SettingsError         settings that contradict each other or are out of range

Every message names the file (and row), what was found, what was expected and, where it helps,
what to do. The command line turns each into one line and exit code 1; a wrong call is exit code 2.
"""


class MienError(Exception):
    """Anything mien refuses on purpose; the message is meant for people."""


class InputError(MienError):
    """A file or folder given by the user cannot be used."""


class MediaError(InputError):
    """A picture, video or sound cannot be read."""


class OutputError(MienError):
    """A result cannot be written."""


class BundleError(MienError):
    """A bundle is incomplete, altered or does not fit what is asked of it."""


class DatabaseError(MienError):
    """A database's files break their own format."""


class SettingsError(MienError):
    """Settings contradict each other or are out of range."""
