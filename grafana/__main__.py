"""Write every dashboard to `grafana/dashboards/*.json`."""

from grafana.boards import BOARDS, FOLDER

if __name__ == "__main__":
    for board in BOARDS:
        (FOLDER / f"{board.name}.json").write_text(board.text())
