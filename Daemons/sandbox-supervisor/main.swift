// sandbox-supervisor: runs boxes as instances; see README.md.

import Chassis

Daemon.run(SupervisorProgram.self)
