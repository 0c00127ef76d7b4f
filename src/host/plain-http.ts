import Fastify, { type FastifyInstance } from "fastify";
import { messageOf } from "../net/message-of.ts";

/**
 * A server for monitoring, without its paths: plain HTTP, few connections, none of them for long. A failure is answered by
 * its sentence; one that is not the asker's goes to `onFailure` too.
 */
export function plainHttpServer(onFailure: (error: Error) => void): FastifyInstance {
  const app = Fastify({
    ...{ connectionTimeout: 2 * timeoutMs, requestTimeout: timeoutMs, keepAliveTimeout: 6 * timeoutMs },
    ...{ bodyLimit: 1024, forceCloseConnections: true },
  });
  app.server.maxConnections = mostConnections;
  app.setErrorHandler<Error & { readonly statusCode?: number }>((error, _request, reply) => {
    const code = error.statusCode ?? 500;
    if (code >= 500) onFailure(error);
    return reply
      .code(code)
      .type("text/plain")
      .send(`${messageOf(error)}\n`);
  });
  return app;
}

// --- internal ---

const timeoutMs = 10_000;
const mostConnections = 32;
