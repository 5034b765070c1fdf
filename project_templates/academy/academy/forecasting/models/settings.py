"""All that can be turned in the baseline, checked, as JSON and as command-line options."""

from __future__ import annotations

from dataclasses import dataclass

from academy.training.settings import CommonSettings, SettingsError, setting

#: The season of series that do not say theirs.
SEASON = 12


@dataclass(frozen=True)
class Settings(CommonSettings):
    """What can be turned. `Settings.describe()` tells each one; lengths are in steps of the series.

    Examples
    --------
    >>> Settings(horizon=6).past(season=12)
    96
    >>> Settings(networks=0)
    Traceback (most recent call last):
    academy.training.settings.SettingsError: networks is 0; it must be at least 1
    """

    horizon: int = setting(24, "steps to forecast")
    season: int = setting(0, "steps after which the pattern comes again; 0: what the panel says")
    first: int = setting(
        0, "shortest past to learn or forecast from; 0: eight seasons, at least 48"
    )
    memory: int = setting(3, "last departures that a network sees one by one")
    width: int = setting(64, "size of each network")
    networks: int = setting(5, "networks that are averaged")
    epochs: int = setting(12, "passes over the data")
    batch: int = setting(64, "examples an update, over all processes together")
    windows: int = setting(20_000, "most examples; of longer panels every second, third, … moment")
    learning_rate: float = setting(2e-3, "of AdamW at its highest: up linearly, down as a cosine")
    weight_decay: float = setting(1e-2, "of AdamW")
    dropout: float = setting(0.3, "share of the hidden numbers that is dropped in training")
    mirror: bool = setting(True, "show each example with its sign turned, too")
    seed: int = setting(0, "the same seed gives the same model on the same machine")
    checkpoint_seconds: float = setting(30.0, "between checkpoints, where there is room for them")

    def __post_init__(self) -> None:
        super().__post_init__()
        self._least(1, "horizon", "memory", "width", "networks", "batch", "windows")
        self._least(0, "season", "first", "epochs", "seed", "weight_decay", "checkpoint_seconds")
        if not 0 < self.learning_rate < 10:
            raise self._error("learning_rate", "it must be above 0 and below 10; try 0.002")
        if not 0 <= self.dropout < 1:
            raise self._error("dropout", "it must be at least 0 and below 1")
        if self.first:
            self.past(self.season or 1)

    def past(self, season: int) -> int:
        """The shortest past to learn or forecast from, given the season.

        Raises
        ------
        SettingsError
            `first` is set, and too short.
        """
        needed = max(3 * season, self.memory + 2)
        if not self.first:
            return max(8 * season, 48, needed)
        if self.first < needed:
            raise SettingsError(
                f"first is {self.first}; it must cover three seasons ({3 * season}) "
                f"and the memory ({self.memory}) with two steps more"
            )
        return self.first
