"""Who labels."""

import re

from cvops_common.errors import BadArgument
from cvops_protos.v1.labeling_pb2 import Author

KINDS = ("human", "oracle", "model")
_NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}")


def check_author_name(name: str) -> str:
    """`name` itself when it can name an author, else BadArgument."""
    if not _NAME.fullmatch(name):
        raise BadArgument(
            f"author {name[:80]!r} cannot be used: expected 1 to 64 letters, digits, '.', '_', '@' or '-'"
        )
    return name


def check_author(author: Author) -> Author:
    """`author` itself when kind and name can be used, else BadArgument."""
    check_author_name(author.name)
    if author.kind not in KINDS:
        raise BadArgument(f"author {author.name} is of kind {author.kind[:40]!r}: expected one of {', '.join(KINDS)}")
    return author
