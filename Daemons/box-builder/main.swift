// box-builder: turns trees into boxes and boxes into mountable roots; see README.md.

import Chassis

Daemon.run(BoxBuilderProgram.self)
