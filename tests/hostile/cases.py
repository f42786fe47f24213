"""Every hostile mail by its name."""

from tests.hostile import files, headers, pages, structure, texts
from tests.hostile.letters import Make

GROUPS: dict[str, dict[str, Make]] = {
    "headers": headers.HEADERS,
    "structure": structure.STRUCTURE,
    "texts": texts.TEXTS,
    "pages": pages.PAGES,
    "archives": files.ARCHIVES,
    "documents": files.DOCUMENTS,
    "pictures": files.PICTURES,
}
