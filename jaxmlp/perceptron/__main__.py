from jaxmlp.cli import terminal
from jaxmlp.perceptron.command import main

terminal.main(main)
