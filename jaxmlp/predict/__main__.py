from jaxmlp.cli import terminal
from jaxmlp.predict.command import main

terminal.main(main)
