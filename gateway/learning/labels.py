"""Making labels: what is kept of a mail to learn from it."""

import numpy as np
from numpy.typing import NDArray

from models.features import SCHEMA, Features, extract
from models.view import MailView, view_of
from store.labels.rows import Label
from store.message.mime import parse_message


def label_of_view(reception: str, view: MailView, is_spam: bool, by: str, at_ms: int) -> Label:
    features = distinct(extract(view)).astype("<u4").tobytes()
    return Label(reception, is_spam, by, at_ms, features, SCHEMA)


def label_of_octets(reception: str, octets: bytes, is_spam: bool, by: str, at_ms: int) -> Label:
    """The label of a mail read back from the store. Result headers of ours do not reach the features."""
    return label_of_view(reception, view_of(parse_message(octets)), is_spam, by, at_ms)


def distinct(features: Features) -> NDArray[np.uint32]:
    return features.counted()[0]
