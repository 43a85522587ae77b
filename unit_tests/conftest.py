"""How hypothesis runs here: no time limits, as the machines that run the tests are not equally fast."""

from hypothesis import HealthCheck, settings

settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")
