"""The report's third phase and the paper behind it: instance-sensitive FCN with windows of a fixed size."""

from partwise_report.instance_fcn.config import InstanceFcnConfig, InstanceFcnDecodeConfig
from partwise_report.instance_fcn.network import InstanceFcn

__all__ = ["InstanceFcn", "InstanceFcnConfig", "InstanceFcnDecodeConfig"]
