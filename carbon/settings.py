"""The table of settings: name, default, unit, help. It feeds carbon.toml, the environment, and the docs."""

from __future__ import annotations

from typing import NamedTuple

Value = str | bool | float | tuple[str, ...]


class Setting(NamedTuple):
    """One setting; its type is its default's. `choices` are the words allowed, if any; a section may have dots."""

    section: str
    key: str
    default: Value
    help: str
    choices: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """How the rest of the code names it: `section.key`."""
        return f"{self.section}.{self.key}"

    @property
    def variable(self) -> str:
        """Environment variable that overrides it."""
        return variable_of(self.name)


def variable_of(name: str) -> str:
    """Environment variable of a setting: CARBON_GRID_PROVIDERS_ENERGY_CHARTS_URL of `grid.providers.energy-charts.url`."""
    return f"CARBON_{name}".upper().replace(".", "_").replace("-", "_")


SETTINGS = (
    Setting("entity", "name", "", "the one entity that this ledger belongs to"),
    Setting(
        "entity", "consolidation", "operational", "approach that decides what is ours (GHG Protocol Corporate Standard ch. 3)",
        ("operational", "financial", "equity"),
    ),
    Setting("inputs", "nodes", "nodes.csv", "the node register"),
    Setting("inputs", "workload", "workload", "folder or glob of workload files"),
    Setting("inputs", "imported", "imported", "folder of what `carbon import` took in, from which it writes workload files"),
    Setting("inputs", "fleet", "fleet.csv", "assets acquired, moved, retired, if they are listed"),
    Setting("inputs", "estimates", "estimates.csv", "planned lives that hold from a month on, if there are any"),
    Setting("inputs", "instruments", "instruments.csv", "contracts and certificates, if there are any"),
    Setting("inputs", "models", "models.csv", "energy per token of models that others run, if there are any"),
    Setting("inputs", "energy_at", "it", "where energy_kwh was metered: at the IT load, or at the site's meter", ("it", "meter")),
    Setting("inputs", "decimal", ".", "decimal mark of CSV files; with a comma, fields may be separated by ;", (".", ",")),
    Setting("inputs", "time_zone", "", "IANA zone of times without an offset; empty refuses them"),
    Setting("import.prometheus", "url", "", "address of a Prometheus, Thanos, Mimir or VictoriaMetrics, without /api"),
    Setting("import.prometheus", "node_label", "", "label that names the node; empty: Hostname, node_name, node or instance"),
    Setting("import.prometheus", "match", "", 'matchers of the series that are asked for, such as cluster="a"; empty: all'),
    Setting("import.prometheus", "step", 60.0, "distance of the samples that are asked for [s]; best that of scraping"),
    Setting("watch", "every", 3600.0, "time from a round of `carbon watch` to the next [s]"),
    Setting("watch", "delay", 300.0, "how long after each multiple of it (UTC) a round begins [s]"),
    Setting(
        "activity", "idle", "modelled",
        "time in service without a row: reckoned as idle for nodes whose energy is modelled, always for all nodes, or never",
        ("modelled", "always", "never"),
    ),
    Setting("overheads", "tee", True, "trusted environments: a factor on energy of tee rows that is reckoned from tokens"),
    Setting(
        "overheads", "zkml", 0.0,
        "energy of proofs over that of answers, where zkml rows are by tokens and have no proof rows; 0: none",
    ),
    Setting(
        "overheads", "failed", True,
        "failed work: a share of inference energy that is reckoned from tokens, where no retry rows are",
    ),
    Setting("grid", "folder", "grid", "where intensity series that were fetched or imported are kept"),
    Setting("grid", "data", "", "folder with rows of your own for grid_data tables; they come before the bundled ones"),
    Setting("grid", "tiers", ("measured", "typical", "annual"), "tiers allowed, in the order of falling back, hour by hour"),
    Setting("grid", "sources", (), "sources of series, the preferred first; of a generation mix the provider's name is enough"),
    Setting("grid", "parent", True, "whether a sub-zone without an annual figure may use its country's"),
    Setting("grid", "uncovered", "stop", "energy that no tier covers: stop, or report it and post the rest", ("stop", "report")),
    Setting("grid.providers", "retries", 4.0, "how often a request is tried again after a fault that may pass"),
    Setting("grid.providers", "timeout_s", 60.0, "longest silence of a server before that [s]"),
    Setting("grid.providers", "pace", 1.0, "factor on pauses between requests and before a second try; 0 for a server of yours"),
    Setting("grid.providers.neso", "url", "https://api.carbonintensity.org.uk", "address of the Carbon Intensity API"),
    Setting("grid.providers.energy-charts", "url", "https://api.energy-charts.info", "address of Energy-Charts"),
    Setting("grid.providers.electricity-maps", "url", "https://api.electricitymaps.com/v3", "address with the version"),
    Setting("grid.providers.eia", "url", "https://api.eia.gov/v2", "address of the EIA API, with the version"),
    Setting("grid.providers.entsoe", "url", "https://web-api.tp.entsoe.eu/api", "address of the Transparency Platform"),
    Setting("grid.providers.ember", "url", "https://api.ember-energy.org/v1", "address of the Ember API, with the version"),
    Setting("grid.providers.watttime", "url", "https://api.watttime.org", "address of WattTime, without a version"),
    Setting("grid.providers.folder", "path", "", "folder of CSV or Parquet files in import format"),
    Setting(
        "scope2", "market", "annual", "period in which instruments are matched with energy (market-based Scope 2)",
        ("annual", "hourly"),
    ),
    Setting(
        "scope2", "fallback", "grid-average", "what energy takes that has neither an instrument nor a residual mix",
        ("grid-average", "fossil"),
    ),
    Setting("hardware", "profiles", "hardware_profiles", "folder with profiles of your own; they come before the bundled ones"),
    Setting("hardware", "life_years", 5.0, "planned life [year] (accounting lives of large operators are 4 to 6, 2020-2025)"),
    Setting(
        "hardware", "method", "straight-line", "how embodied carbon is spread over a life",
        ("straight-line", "usage", "declining", "sci"),
    ),
    Setting("hardware", "residual", 0.0, "share of embodied carbon handed to a second life when hardware is resold, at most"),
    Setting("hardware", "life_busy_hours", 26280.0, "busy hours that a life stands for, method usage (5 years at use 0.6)"),
    Setting(
        "hardware", "idle", "apart",
        "hardware that nobody used: unallocated idle, or shared by the work done",
        ("apart", "shared"),
    ),
    Setting("hardware", "cooling", "cooling-plant", "profile of the cooling plant, per kW of rated IT power; empty: not covered"),
    Setting(
        "hardware", "building", "",
        "profile of the building, per kW of rated IT power; empty: not covered (no figure is published)",
    ),
    Setting("hardware", "network", "", "profile of a network switch; empty: not covered"),
    Setting("hardware", "switches_per_host", 0.0, "network switches a host takes, in parts of one; 0: not covered"),
    Setting("hardware", "freight_mode", "air", "mode of the inbound lane", ("air", "air-rf", "sea", "road", "rail")),
    Setting(
        "hardware", "disposal", "weee-recycling", "treatment at the end of life",
        ("weee-recycling", "weee-landfill", "process"),
    ),
    Setting(
        "refresh", "models", ("wear", "elastic", "slots"),
        "what ages hardware: wear (failures, in plans), elastic (planned life answers demand), slots (a cap on power, in plans), "
        "break-even (replaced where that saves carbon, in plans)",
    ),
    Setting(
        "refresh", "demand", "busy",
        "what demand is measured by: busy device-hours, tokens or requests",
        ("busy", "tokens", "requests"),
    ),
    Setting("refresh", "life_least_years", 1.5, "planned life is never below [year]; policy parameter without evidence"),
    Setting("refresh", "life_most_years", 8.0, "planned life is never above [year]; policy parameter without evidence"),
    Setting("refresh", "growth_elasticity", 0.35, "how far growth of demand shortens life; policy parameter without evidence"),
    Setting(
        "refresh", "growth_reference", 0.5,
        "growth of demand [1/year] at which that is 2 ** -growth_elasticity; policy parameter without evidence",
    ),
    Setting("refresh", "use_elasticity", 0.5, "how far use shortens life; policy parameter without evidence"),
    Setting("refresh", "use_reference", 0.6, "use [1] at which life is the planned one; policy parameter without evidence"),
    Setting(
        "refresh", "lengthen", 0.25,
        "years by which a planned life may grow in a year; it shortens at once; policy parameter without evidence",
    ),
    Setting("refresh", "scarcity", False, "growth lengthens life: operators keep what they cannot replace"),
    Setting("refresh", "use_target", 0.65, "use [1] that capacity is bought for, in plans; policy parameter without evidence"),
    Setting("refresh", "lead_years", 0.5, "time from order to service [year], in plans; policy parameter without evidence"),
    Setting("refresh", "availability", 0.97, "share of time in working order, in plans; policy parameter without evidence"),
    Setting(
        "refresh", "failures_per_year", 0.03,
        "hard failures [1/year]; 0.01 to 0.09 follow from Llama 3 on 16,384 H100 (2024)",
    ),
    Setting("refresh", "wear_shape", 1.4, "Weibull shape of wear-out; assumption"),
    Setting("refresh", "wear_scale_years", 9.0, "Weibull scale of wear-out [year]; assumption"),
    Setting("refresh", "activation_ev", 0.7, "Arrhenius activation energy [eV]; 0.5 to 0.9 is usual for silicon"),
    Setting("refresh", "base_kelvin", 318.0, "temperature of a chip at rest [K]; assumption"),
    Setting("refresh", "rise_kelvin", 30.0, "its rise at full use [K]; assumption"),
    Setting(
        "refresh", "horizon_years", 3.0,
        "break-even: replaced where the payback is shorter [year]; policy parameter without evidence",
    ),
    Setting(
        "refresh", "buy", (),
        "profiles on offer in plans, each `profile` or `profile from YYYY-MM`; empty: the newest of the same family",
    ),
    Setting("uncertainty", "draws", 10000.0, "draws of the Monte Carlo behind low and high"),
    Setting("uncertainty", "seed", 1.0, "seed of the draws: the same seed gives the same ranges"),
    Setting("ledger", "path", "ledger", "the ledger, a Delta Lake table: a folder, or s3://bucket/prefix"),
    Setting("ledger", "grain", "day", "time grain of entries", ("hour", "day", "month")),
    Setting(
        "ledger", "retention", 30.0,
        "days that data files stay once ledger compact has merged them; 0: none, where nothing else reads meanwhile",
    ),
    Setting(
        "report", "significance", 0.05,
        "share of the earlier figure from which a restatement is significant (5 % as in SBTi criteria; GHG Protocol gives none)",
    ),
    Setting("report", "revenue", 0.0, "net revenue of the year that `carbon export esrs` divides by, in currency; 0: not stated"),
    Setting("report", "currency", "EUR", "ISO 4217 code of the currency that revenue is in"),
    Setting("report", "base_year", 0.0, "year that reports compare with, and whose restatement is tested; 0: none"),
    Setting(
        "report", "base_set", "",
        "knowledge time at which the figures of the base year were fixed, such as 2026-03-01; empty: not yet",
    ),
)  # fmt: skip
LEAST_MOST = {
    "hardware.residual": (0, 0.9),
    "hardware.life_busy_hours": (1, 1e6),
    "hardware.switches_per_host": (0, 100),
    "refresh.life_least_years": (0.1, 50),
    "refresh.life_most_years": (0.1, 50),
    "refresh.growth_elasticity": (0, 5),
    "refresh.growth_reference": (0.01, 10),
    "refresh.use_elasticity": (0, 5),
    "refresh.use_reference": (0.05, 1),
    "refresh.lengthen": (0, 50),
    "refresh.use_target": (0.05, 1),
    "refresh.lead_years": (0, 5),
    "refresh.availability": (0.05, 1),
    "refresh.failures_per_year": (0, 5),
    "refresh.wear_shape": (0.1, 20),
    "refresh.wear_scale_years": (0.1, 1000),
    "refresh.activation_ev": (0, 2),
    "refresh.base_kelvin": (200, 400),
    "refresh.rise_kelvin": (0, 150),
    "refresh.horizon_years": (0, 50),
    "uncertainty.draws": (100, 1_000_000),
    "uncertainty.seed": (0, 2**53),
    "ledger.retention": (0, 36_500),
    "report.significance": (0, 1),
    "report.revenue": (0, 1e15),
    "report.base_year": (0, 9999),
    "overheads.zkml": (0, 1e6),
    "import.prometheus.step": (1, 900),
    "watch.every": (60, 86_400),
    "watch.delay": (0, 3_600),
    "grid.providers.retries": (0, 20),
    "grid.providers.timeout_s": (0.1, 3600),
    "grid.providers.pace": (0, 100),
}
