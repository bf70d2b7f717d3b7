// Makes a server of others listen on 127.0.0.1 only: `node -r loopback.cjs SERVER`.
const net = require("node:net");
const { listen } = net.Server.prototype;

net.Server.prototype.listen = function (port, ...rest) {
  return listen.call(this, Number(port), "127.0.0.1", ...rest);
};
