from jaxmlp.cli import main

main.run("jaxmlp.train.command")
