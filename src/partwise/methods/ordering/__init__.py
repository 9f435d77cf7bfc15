"""The report's second phase, instances as ranks of their centres, and the same idea made learnable."""

from partwise.methods.ordering.learnable import Orders, OrdersConfig
from partwise.methods.ordering.network import Ordering, OrderingConfig

__all__ = ["Ordering", "OrderingConfig", "Orders", "OrdersConfig"]
