from jaxmlp.cli import terminal
from jaxmlp.report.command import main

terminal.main(main)
