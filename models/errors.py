"""What can be wrong with a model directory.

ArtefactError
    ArtefactMissing    a file is not there
    ArtefactDamaged    a file is not what the card says, or cannot be read
    ArtefactOutdated   trained for another feature schema
"""


class ArtefactError(Exception):
    """A model directory cannot be used. The message is a sentence that says what to do."""


class ArtefactMissing(ArtefactError):
    """A file of the model directory is not there."""


class ArtefactDamaged(ArtefactError):
    """A file of the model directory is not what it was, or cannot be read."""


class ArtefactOutdated(ArtefactError):
    """The model was trained for features this version does not compute."""
