"""The Windows programs themselves, under Wine. ``.ci/windows`` makes what they need and runs them."""
