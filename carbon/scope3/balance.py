"""The roll-forward of own hardware by profile and cohort."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from carbon.core.time import month_text
from carbon.scope3.lines import trued_up, written_share
from carbon.scope3.lots import PHASES

if TYPE_CHECKING:
    from carbon.scope3.roll import Fleet, Month


def rolled(fleet: Fleet, month: Month) -> pd.DataFrame:
    """Each own lot in one month: month, profile, cohort, and opening to closing [kg]; what is not covered is left out."""
    kilograms = {phase: np.where(fleet.owned, np.nan_to_num(fleet.kgco2e[phase]), 0.0) for phase in PHASES}
    basis, true_up = np.sum(list(kilograms.values()), axis=0), trued_up(fleet, month.month)
    written = np.sum([kilograms[phase] * written_share(month, phase) for phase in PHASES], axis=0)
    second = (basis - kilograms["disposal"]) * month.second_life
    return pd.DataFrame({
        "month": month_text(month.month),
        "profile": [lot.profile for lot in fleet.lots],
        "cohort": [lot.cohort for lot in fleet.lots],
        "opening_kgco2e": basis * month.opening,
        "acquired_kgco2e": basis * month.acquired + true_up,
        "amortised_kgco2e": basis * month.charged + true_up,
        "written_off_kgco2e": written,
        "second_life_kgco2e": second,
        "closing_kgco2e": basis * month.closing,
    })  # fmt: skip
