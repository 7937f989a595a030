from jaxmlp.cli import main

main.run("jaxmlp.perceptron.command")
