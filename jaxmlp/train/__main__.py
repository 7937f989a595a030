from jaxmlp.cli import terminal
from jaxmlp.train.command import main

terminal.main(main)
