"""A simulated GitHub with a seed and a known truth, for `demo`, `simulate` and the tests.

`world.py` knows who made which request and from when on GitHub shows it: seeded (`traffic.py`, `hours.py`,
`population.py`) or scripted. `insights.py` and `parameters.py` tell it in the words of API Insights. `api.py` speaks
HTTP, `access.py` and `apps.py` know tokens, GitHub Apps and quotas, `faults.py` is what goes wrong, `records.py` what
was asked. `estate.py` knows enterprises and their appliances; `ghes.py`, `copilot.py` and `closed_copilot.py` tell of
them, `estate_answers.py` by which path, and `signed.py` has the files behind GitHub's links.
"""
