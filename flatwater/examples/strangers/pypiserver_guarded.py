"""pypiserver, a package index of its own (WSGI, threads), whose uploads and rates are bounded: PACKAGES names its folder."""

import os

import pypiserver

from flatwater import GuardLimits, RateClass, WsgiGuard

served = pypiserver.app(roots=[os.environ["PACKAGES"]], password_file=".", authenticate=[])  # noqa: S106  nobody signs in
app = WsgiGuard(
    served,
    GuardLimits(body_bytes=100_000, deadline_s=10, in_flight=16),
    rate=RateClass("all", per_s=5, burst=20),
)
