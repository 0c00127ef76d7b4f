/** A port's name as the API server checks it (RFC 6335 section 5.1, in lower case). */
export const portNamePattern = /^(?=.{1,15}$)(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*$/;
