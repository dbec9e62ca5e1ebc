"""Says in one line what the laboratory lacks, before anything else fails for want of it."""

from __future__ import annotations

import importlib

for _name in ("pandas", "pyarrow", "matplotlib", "tqdm"):
    try:
        importlib.import_module(_name)
    except ImportError as _failure:
        raise ImportError(
            f"paxledger.lab needs {_name}, which cannot be imported ({_failure}); install all that "
            "it needs with `pip install 'paxledger[lab]'`",
            name=_name,
        ) from _failure
