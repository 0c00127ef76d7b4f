/** BIRD's control socket on a node: the agent configures BIRD by it, and the command line asks for the sessions. */
export const birdSocketPath = "/run/margay/bird/bird.ctl";
