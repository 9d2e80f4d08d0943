// gateway-broker: answers services and clients; see README.md.

import Chassis

Daemon.run(GatewayProgram.self)
