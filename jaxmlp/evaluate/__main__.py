from jaxmlp.cli import main

main.run("jaxmlp.evaluate.command")
