from jaxmlp.cli import terminal
from jaxmlp.sweep.command import main

terminal.main(main)
