from jaxmlp.cli import main

main.run("jaxmlp.bench.command")
