import { splitName } from "../api/names.ts";
import { FolderLock } from "../host/folder-lock.ts";
import type { Host } from "../host/host.ts";
import type { Owners, ReserveOptions } from "../ipam/reserve-options.ts";
import { AttachmentFiles, type StoredAttachment } from "./attachments.ts";
import type { CniDependencies } from "./dependencies.ts";
import { nodeAttributes } from "./node-attributes.ts";
import { handleOf } from "./node-state.ts";

export interface AddressReserveParts extends Pick<CniDependencies, "nodeName" | "clock" | "report"> {
  readonly host: Host;
  /** What this node has wired, of which this process is the only writer while it has the lock. */
  readonly attachmentsFolder: string;
  /** The ADDs that are under way. */
  readonly intentsFolder: string;
  /** Locked by the process that gives addresses of the reserve. */
  readonly lockedFolder: string;
}

/** What a node's agent gives its allocator, so that it may hold addresses for pods to come. */
export class AddressReserve implements ReserveOptions {
  readonly #parts: AddressReserveParts;
  readonly #lock: FolderLock;
  #isReleased = false;
  /** What was reported already. */
  readonly #told = new Set<string>();

  constructor(parts: AddressReserveParts) {
    this.#parts = parts;
    this.#lock = new FolderLock(parts.lockedFolder);
  }

  /**
   * An eighth of a block, so that most of it is left for whatever else is asked for. While many ask, as many are to come as have
   * come and more, and each write of the block costs the API server most of what one pod does: then up to half of it.
   */
  mostOf(blockSize: number, asked: number): number {
    const usual = Math.min(most, Math.floor(blockSize / 8));
    return Math.max(usual, Math.min(2 * asked, 4 * usual));
  }

  isSole(): boolean {
    try {
      return !this.#isReleased && this.#lock.take();
    } catch (error) {
      // It costs time only: each address is then asked for when it is needed.
      this.#report("warn", `Cannot hold addresses for pods to come: ${error}`);
      return false;
    }
  }

  async owners(): Promise<Owners> {
    const { host, attachmentsFolder, intentsFolder } = this.#parts;
    // Both anew, and in this order: the process that had the lock before may have written to them until it ended, and what is no
    // intent any more is an attachment.
    const areAll = (await host.listFolder(intentsFolder)).length === 0;
    const attachments = await new AttachmentFiles(host, attachmentsFolder, this.#report).listWhole();
    const ours = attachments.filter(({ ipam }) => ipam === undefined);
    const byAddress = new Map(ours.flatMap((one) => one.addresses.map((ip) => [ip, this.#holderOf(one)] as const)));
    return { byAddress, areAll };
  }

  onLost(sentence: string): void {
    this.#parts.report("error", sentence);
  }

  /** Leaves the reserve to the node's next agent, for good. */
  release(): void {
    this.#isReleased = true;
    this.#lock.release();
  }

  /** Once: it is asked again and again while something is in the way. */
  readonly #report: CniDependencies["report"] = (level, message, facts) => {
    if (this.#told.has(message)) return;
    this.#told.add(message);
    this.#parts.report(level, message, facts);
  };

  #holderOf({ network, containerId, pod }: StoredAttachment) {
    const [namespace, name] = splitName(pod);
    return {
      handle: handleOf(network, containerId),
      attributes: { pod: name, namespace, ...nodeAttributes(this.#parts) },
    };
  }
}

// --- internal ---

const most = 8;
