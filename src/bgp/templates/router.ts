/** The router as a whole. Times in ISO form are what `show` answers carry, so that they can be read back. */
export const routerTemplate = `# Written by margay. Changes made by hand are overwritten.
{{logging logLevel}}
timeformat base iso long;
timeformat log iso long;
timeformat protocol iso long;
timeformat route iso long;

router id {{ip routerId}};

# How long a restarted BIRD leaves the kernel's routes as they are, when a neighbour does not come back.
graceful restart wait 20;

protocol device {
  scan time 2;
}
`;
