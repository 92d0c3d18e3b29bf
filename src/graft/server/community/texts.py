"""What people may write: lengths, and characters that every database keeps."""

from graft.server.errors import BadRequestError

MIN_TITLE_CHARACTERS = 3
MAX_TITLE_CHARACTERS = 200
MAX_COMMENT_CHARACTERS = 65_536


def check_title(text: str) -> str:
    """A title without what surrounds it, in one line.

    Raises:
        BadRequestError: too short, too long, or characters that cannot be kept.
    """
    title = " ".join(check_text("The title", text, MAX_TITLE_CHARACTERS * 10).split())
    if not MIN_TITLE_CHARACTERS <= len(title) <= MAX_TITLE_CHARACTERS:
        raise BadRequestError(
            f"The title has {len(title)} characters; it must have {MIN_TITLE_CHARACTERS} to "
            f"{MAX_TITLE_CHARACTERS}."
        )
    return title


def check_comment(text: str) -> str:
    """A comment's Markdown, as it was written.

    Raises:
        BadRequestError: empty, too long, or characters that cannot be kept.
    """
    if not text.strip():
        raise BadRequestError("The comment is empty: write something.")
    return check_text("The comment", text, MAX_COMMENT_CHARACTERS)


def check_text(what: str, text: str, longest: int) -> str:
    """`text`, when it is no longer than `longest` characters and can be kept.

    Raises:
        BadRequestError: says of `what` which rule it breaks.
    """
    if len(text) > longest:
        raise BadRequestError(f"{what} has {len(text)} characters; {longest} are allowed.")
    if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in text):
        raise BadRequestError(f"{what} holds characters that are no text (NUL, half a pair).")
    return text
