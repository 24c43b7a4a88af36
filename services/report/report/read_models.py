"""The read models that can be rebuilt from the events of this service."""

from eventing.rebuilding import ReadModel, ReadModels

READ_MODELS = ReadModels((ReadModel("reports", ("reports", "report_links"), kept={"reports": ("position",)}),))
