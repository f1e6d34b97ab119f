import { handlers } from "../engine/handlers.js";
import { serve } from "../engine/serve.js";

serve(handlers);
