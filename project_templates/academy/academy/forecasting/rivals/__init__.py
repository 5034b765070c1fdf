"""What a model has to beat to be of use: simple forecasters, and three that learn a little."""

from academy.forecasting.rivals.roster import QUICK, RIVALS, SLOW, Rival, prepare

__all__ = ["QUICK", "RIVALS", "SLOW", "Rival", "prepare"]
