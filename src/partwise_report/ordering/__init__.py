"""The report's second phase, instances as ranks of their centres, and the same idea made learnable."""

from partwise_report.ordering.learnable import Orders, OrdersConfig
from partwise_report.ordering.network import Ordering, OrderingConfig

__all__ = ["Ordering", "OrderingConfig", "Orders", "OrdersConfig"]
