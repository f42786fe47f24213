"""The models of the store in a worker: which one judges mail, on its way in and out, and which one is on trial."""

from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path

from gateway.config import ConfigError
from gateway.learning.scorer import ModelScorer
from gateway.learning.shadow import Shadow, Trial
from gateway.learning.shelf import Shelf
from gateway.pipeline.judge import Judge
from gateway.pipeline.verdict import Policy
from gateway.settings import Config
from models.artefact import Artefact
from store.changes.engine import Store

FOLDER = "models"  #: below ``server.data``: where a node keeps the models that it fetched


def folder_of(config: Config) -> Path:
    return Path(config.server.data) / FOLDER


def shelf_of(
    config: Config,
    store: Store,
    own: Artefact,
    scorer: ModelScorer,
    incoming: Judge,
    outgoing: Judge,
    policies: Callable[[Artefact], tuple[Policy, Policy]],
    threads: Executor,
) -> tuple[Shelf, Shadow]:
    """What keeps the judges on the model in use. ``own`` is the model of the configuration; ``policies`` are those of
    mail on its way in and out, with a model's weights."""
    shadow = Shadow(store, threads)
    incoming.watch = shadow

    def use(model: Artefact) -> None:
        scorer.use(model)
        incoming.policy, outgoing.policy = policies(model)

    def try_out(model: Artefact | None) -> None:
        shadow.use(Trial(model, policies(model)[0]) if model is not None else None)

    return Shelf(store, folder_of(config), own, use, try_out, is_fixed=bool(config.model.directory)), shadow


def refuse_when_fixed(config: Config) -> None:
    """Raises ConfigError where the configuration names a model: then that one judges, whatever the store says."""
    if config.model.directory:
        raise ConfigError(
            f'model.directory = "{config.model.directory}" fixes the model that judges: '
            "take the line out, so that the one that is promoted does"
        )
