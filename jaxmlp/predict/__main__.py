from jaxmlp.cli import main

main.run("jaxmlp.predict.command")
