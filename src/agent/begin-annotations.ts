import type { AttachmentFiles } from "../cni/attachments.ts";
import type { Logger } from "./logger.ts";
import type { PodAnnotations } from "./pod-annotations.ts";

/** Lets annotations go out, beginning with what earlier agents have left to write; when that cannot be told, it is logged. */
export async function beginAnnotations({
  annotations,
  attachments,
  logger,
}: {
  readonly annotations: Pick<PodAnnotations, "begin">;
  readonly attachments: Pick<AttachmentFiles, "list" | "listUnreadable">;
  readonly logger: Pick<Logger, "error">;
}): Promise<void> {
  try {
    const unreadable = await attachments.listUnreadable();
    const doubtful = new Set(unreadable.flatMap(({ containerId }) => containerId ?? []));
    annotations.begin({ attachments: await attachments.list(), doubtful });
  } catch (error) {
    logger.error({ err: error }, "cannot tell what earlier agents have left to write to pods");
    annotations.begin(undefined);
  }
}
