"""One row for every mail judged: what arrived, what was found, what became of it."""
