from jaxmlp.cli import terminal
from jaxmlp.gradcheck.command import main

terminal.main(main)
