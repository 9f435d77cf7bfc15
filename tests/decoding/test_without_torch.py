"""The stages after the network run where torch is not installed."""

import subprocess
import sys

SCRIPT = """
import importlib, pkgutil, sys
sys.modules["torch"] = None  # an import of torch raises ImportError
import partwise.decoding
names = [module.name for module in pkgutil.iter_modules(partwise.decoding.__path__)]
for name in names:
    importlib.import_module(f"partwise.decoding.{name}")
print(*sorted(names))
"""


def test_no_module_of_decoding_imports_torch():
    ran = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    assert {"candidates", "masks", "outcomes", "reconcile", "score", "suppress"} <= set(ran.stdout.split())
