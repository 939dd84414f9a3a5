"""All dashboards, in the order in which they link to one another."""

from pathlib import Path

from grafana.api_insights import API_INSIGHTS
from grafana.board import Board
from grafana.copilot import COPILOT
from grafana.copilot_people import COPILOT_PEOPLE
from grafana.exporter import EXPORTER
from grafana.ghes import GHES
from grafana.licences import LICENCES
from grafana.overview import OVERVIEW
from grafana.spend import SPEND

FOLDER = Path(__file__).parent / "dashboards"
BOARDS: tuple[Board, ...] = (OVERVIEW, API_INSIGHTS, GHES, COPILOT, COPILOT_PEOPLE, SPEND, LICENCES, EXPORTER)
